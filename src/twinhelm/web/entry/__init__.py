"""Pages for whoever is not signed in: signing in, and the button behind the link of a message.

They need no script, and every text from outside is escaped.
"""
