"""What the package offers Python's users beside the rooms' own classes (docs/api.md).

``clustering`` groups embeddings of no collection, ``collection`` reads what a run wrote; the
functions on single photos are in ``facebatch.extract.photo``. ``facebatch`` itself gives all
public names, so nobody inside the library imports this room.
"""
