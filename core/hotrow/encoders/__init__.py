"""Built-in transforms: `encoders.standard_scale("fare_scaled", view["fare"])`.

Each function makes a `Transform` of one field of a view, of a request source or of another transform. What it needs
to know of the data is given, or fitted by `hotrow fit` (or `fit` here) and stored in the snapshot. A null stays null
unless the encoder is about nulls. docs/encoders.md has the table of all.
"""

from hotrow.encoders.categorical import hash_bucket, hashed, multi_hot, one_hot
from hotrow.encoders.date import date_parts
from hotrow.encoders.frame import fit
from hotrow.encoders.numeric import bucketize, clip, impute, min_max_scale, robust_scale, standard_scale
from hotrow.encoders.text import char_ngrams, word_ngrams
from hotrow.encoders.vocabulary import Frequent

__all__ = [
    "Frequent",
    "bucketize",
    "char_ngrams",
    "clip",
    "date_parts",
    "fit",
    "hash_bucket",
    "hashed",
    "impute",
    "min_max_scale",
    "multi_hot",
    "one_hot",
    "robust_scale",
    "standard_scale",
    "word_ngrams",
]
