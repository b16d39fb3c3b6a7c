"""Recognising people live, in cameras, streams and videos: their faces are followed and named.

``following`` links and names the faces of frame after frame, for recorded videos too. ``sources``
reads frames in a thread of its own, of which ``watching`` looks at the newest, and ``events`` says
who came, who they are and who left.
"""
