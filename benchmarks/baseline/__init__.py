"""What people would otherwise have: FastAPI, RQ and Redis, one blocking request per job, a file per picture."""
