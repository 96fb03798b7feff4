"""A labelling session without widgets, for the tests of it."""

import random

from dpo_studio.store import completions, rankings
from dpo_studio.ui.label.session import Session


def session_of(project, seed=1):
    session = Session(project, shuffler=random.Random(seed))
    session.begin()
    return session


def rank(session, *texts):
    """Press the numbers of these answers, best first, and save."""
    for text in texts:
        position = [c.text for c in session.item.shown].index(text)
        response = session.item.entry.press(position)
    assert response.done
    return session.save(seconds=1.5)


def texts_by_rank(project, group_id):
    ranking = rankings.current(project, group_id)
    group = completions.get_group(project, group_id)
    return sorted((rank, c.text) for c in group.completions if (rank := ranking.ranks.get(c.id)) is not None)
