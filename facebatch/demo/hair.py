"""Hair of the head and of the face.

The hair is a second solid around the head. Its back is painted before the head and its front
after it, below a hairline that depends on the style.
"""

from __future__ import annotations

import numpy as np

from facebatch.demo.features import Face, blend
from facebatch.demo.identity import Identity
from facebatch.demo.surface import (
    DEPTH,
    Field,
    Grid,
    Solid,
    Surface,
    View,
    bump,
    illuminate,
    soft,
    texture,
    trace,
)

_DRAPED = ("long", "fringe")


class HairLayer:
    """A person's hair as one photo sees it, ready to be painted behind and before the head.

    Args:
        person: Whose hair.
        view: How it is seen.
        grid: The canvas.
    """

    def __init__(self, person: Identity, view: View, grid: Grid) -> None:
        self._person = person
        self._surface = trace(_hair_solid(person), view, grid)
        self._angle = np.arctan2(self._surface.x, self._surface.z + 0.35)
        self._rough = texture(person.seed + 5, (4.0, 4.0), self._angle * 0.5, self._surface.y * 0.5)
        self._colour = self._lit(view)
        self._edge = 0.03 + 0.5 * grid.pixel

    def paint_back(self, picture: Field) -> None:
        """Paint what shows around the head and, for long hair, beside the neck."""
        hair, y = self._person.hair, self._surface.y
        lower = hair.length if hair.style != "bald" else -0.05
        body = soft(lower + 0.05 * self._rough - y, 0.06)
        if hair.style == "bald":
            body = body * soft(y + 0.35, 0.06)
        frizz = soft(self._surface.coverage - 0.5 + 0.25 * hair.curl * self._rough, 0.4)
        blend(picture, self._colour * 0.72, body * frizz * self._surface.coverage)

    def paint_front(self, picture: Field) -> None:
        """Paint the hair that lies before the head: crown, fringe, sides and locks."""
        surface, hair = self._surface, self._person.hair
        hairline = _hairline(self._person, surface) + 0.022 * self._rough
        alpha = soft(hairline - surface.y, self._edge)
        if hair.style == "bald":
            alpha = alpha * soft(surface.y + 0.35, 0.08)
        blend(picture, self._colour, alpha * surface.coverage)

    def _lit(self, view: View) -> Field:
        """Return the lit colour of every strand."""
        hair, surface = self._person.hair, self._surface
        diffuse, highlight = illuminate(surface, view)
        strands = texture(self._person.seed + 4, (9.0, 0.9), self._angle * 0.7, surface.y * 0.35)
        curls = texture(self._person.seed + 6, (2.6, 2.6), self._angle * 0.6, surface.y * 0.6)
        grain = (1 - hair.curl) * strands + hair.curl * curls
        gain = np.clip(0.25 + 0.85 * diffuse + (0.16 - 0.06 * hair.curl) * grain, 0.12, None)
        sheen = highlight * np.clip(0.5 + 0.5 * grain, 0.0, None) * (1 - 0.6 * hair.curl)
        lit: Field = np.array(hair.colour) * gain[..., None] + 42 * sheen[..., None]
        return lit


def _hair_solid(person: Identity) -> Solid:
    skull, hair = person.skull, person.hair
    thick = 0.02 if hair.style == "bald" else hair.volume
    return Solid(
        width=skull.width + (0.75 if hair.style in _DRAPED else 0.6) * thick,
        height=skull.height + 0.75 * thick,
        depth=DEPTH + 0.4 * thick,
        lift=-0.02,
        setback=0.06,
        drape=True,
    )


def _hairline(person: Identity, surface: Surface) -> Field:
    """Return, for each point of the hair's surface, the height the hair before the head reaches."""
    hair = person.hair
    across = surface.x / (person.skull.width + 0.6 * hair.volume)
    side = np.abs(across)
    temple = soft(side - 0.80, 0.17)
    sideburn = 0.12 if hair.style != "bald" else 0.0
    if hair.style in ("short", "curly"):
        line = hair.line + 0.06 * side**2 + 0.03 * np.cos(across * 5 + person.seed)
    elif hair.style == "receding":
        line = hair.line - 0.16 - 0.22 * bump(side, across * 0, 0.5, 0.0, 0.22, 1.0)
    elif hair.style == "bald":
        line = np.full_like(across, -2.0)
        temple = soft(side - 0.9, 0.08)
    elif hair.style == "side":
        sweep = np.where(across > hair.parting, 1.0, -1.0) * np.sign(hair.parting or 1.0)
        line = hair.line - 0.05 + 0.20 * np.abs(across - hair.parting) * (0.65 - 0.35 * sweep)
    elif hair.style == "fringe":
        line = person.eyes.line - person.eyes.brow_height - 0.07 + 0.10 * side**2
    else:
        line = hair.line - 0.10 + 0.55 * np.abs(across - hair.parting * 0.6) ** 1.3
    if hair.style in _DRAPED:
        sideburn = hair.length
        temple = soft(side - 0.86, 0.10)
    reach: Field = line * (1 - temple) + sideburn * temple
    return reach


def paint_beard(picture: Field, face: Face) -> None:
    """Paint stubble, full beard, goatee or moustache."""
    person, x, y = face.person, face.surface.x, face.surface.y
    style = person.hair.beard
    if style == "none":
        return
    mouth, skull = person.mouth, person.skull
    side = np.abs(x)
    lip_top = mouth.line - mouth.upper - 0.01
    moustache = bump(side, y, 0.10, lip_top - 0.045, 0.17, 0.05)
    goatee = soft(0.27 - side, 0.06) * soft(y - mouth.line - mouth.lower - 0.04, 0.05)
    goatee = goatee + 0.8 * bump(side, y, mouth.width * 0.55, mouth.line + 0.06, 0.05, 0.16)
    jaw = y - 0.30 + 0.25 * (1 - side / skull.width)
    cheeks = soft(jaw - 0.18 + 0.35 * soft(0.5 - side, 0.2) - 0.30 * soft(0.42 - side, 0.2), 0.14)
    full = cheeks * (1 - bump(x, y, 0.0, mouth.line, mouth.width * 0.58, 0.12))
    parts = {
        "stubble": 0.42 * np.maximum(full, moustache),
        "full": np.maximum(full, np.maximum(moustache, goatee)),
        "goatee": np.maximum(goatee, moustache),
        "moustache": moustache,
    }
    grain = texture(person.seed + 7, (2.0, 1.0), x * 0.7, y * 0.7)
    lips = np.exp(-(((y - mouth.line - 0.01) / (mouth.lower + 0.01)) ** 4))
    lips = lips * soft(mouth.width / 2 - side, 0.03)
    density = np.clip(person.hair.beard_density * (1 + 0.25 * grain), 0.0, 1.0)
    alpha = np.clip(parts[style], 0.0, 1.0) * density * (1 - lips)
    colour = np.array(person.hair.colour) * (0.35 + 0.75 * face.diffuse)[..., None]
    blend(picture, colour, alpha)
