"""Long work: a queue in the database, a worker process that survives the server, a child process a job."""
