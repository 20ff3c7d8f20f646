"""The only code that knows eventsourcing, psycopg, kafka-python, files and clocks."""
