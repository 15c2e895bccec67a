"""Parts of pages: each draws one thing and says what was done with it; imports Streamlit, the client and the core's values."""
