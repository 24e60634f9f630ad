"""Ranges of plugin parameters, as types: a value outside is refused in one sentence before anything is computed."""

from typing import Annotated

from pydantic import Field

Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
"""In (0, 1]."""

ShareOrZero = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""In [0, 1]."""

ShareBelowOne = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
"""In [0, 1)."""

InnerShare = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
"""In (0, 1)."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Count = Annotated[int, Field(ge=1)]

CountOrZero = Annotated[int, Field(ge=0)]

TwoOrMore = Annotated[int, Field(ge=2)]

Seed = Annotated[int, Field(ge=0, lt=2**63)]

BatchSize = Annotated[int, Field(ge=2)]
"""A contrastive loss needs two pairs, and so do statistics of a batch."""

NeighbourBatch = Annotated[int, Field(ge=5)]
"""Neighbourhoods need three samples, and batches of at most 4 that are as equal as can be may hold two."""
