"""What can go wrong with diversity.

AcademyError
└── DiversityError
    ├── ArchiveError
    ├── CensusError
    ├── PhylogenyError
    ├── IslandsError
    └── BreedingError
"""

from __future__ import annotations

from academy.errors import AcademyError


class DiversityError(AcademyError):
    """Base of everything that archive, species, islands and breeding refuse; one line."""


class ArchiveError(DiversityError):
    """Results cannot be compared with the archive's, or its saved state is damaged."""


class CensusError(DiversityError):
    """What is told about a population does not fit together."""


class PhylogenyError(DiversityError):
    """A line of descent that cannot be: an unknown parent, or someone born or dead twice."""


class IslandsError(DiversityError):
    """Islands or migrants that make no sense."""


class BreedingError(DiversityError):
    """A wish that no recipe can be made from."""
