"""What downstream systems read: which topic an event goes to, its key, its headers, its body, and their schemas.

Pure, and the one source of the messages, of the frozen schemas and of the AsyncAPI document. It stands among the
projections because rows of the journal are published beside events: it reads both, and nothing in ``domain`` does.
"""
