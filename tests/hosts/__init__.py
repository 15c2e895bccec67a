"""Many hosts on one machine, as network namespaces: two of workers, one of a bucket, one of everything else, and what may be cut off.

`python -m hosts` as root, with iproute2. Nothing leaves the namespaces, which are this program's own.
"""
