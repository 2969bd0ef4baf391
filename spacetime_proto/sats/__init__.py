"""SATS: the type system, its binary encoding BSATN and its JSON form."""
