"""The studio: a Streamlit page on the service's public API; imports Streamlit, the client and the core's values."""
