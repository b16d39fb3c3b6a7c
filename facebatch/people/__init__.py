"""Who is who over time: identities, events, decisions, and what may be done about them.

`PeopleView` says who a face is and whom a user means. ``identity`` carries people from one
clustering to the next, ``edit`` takes users' decisions, ``decisions`` says what stands of them.
"""

from facebatch.people.decisions import EffectiveDecisions
from facebatch.people.identity import Clustering, Person
from facebatch.people.view import PeopleView

__all__ = ["Clustering", "EffectiveDecisions", "PeopleView", "Person"]
