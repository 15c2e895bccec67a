"""OpenAI's images API over the same jobs, for clients that know no other; may import the rest of the API.

A call is an ordinary job inside: it is in every list, can be cancelled, and its pictures are kept; `X-Job-Id` names it.
"""
