"""Whole pages, one file each; imports Streamlit, the client and the components."""
