"""The web application for people: who they are, named and put right by their keeper.

``desk`` holds what is known in memory and takes decisions, ``questions`` says what to ask next,
the pages are in modules of their own, and ``app`` puts them behind ``security``. It runs no stage
itself: whoever starts it says how people are regrouped and how a photo is looked at.
"""
