"""Speech in, features out: loading and resampling on the host, everything else pure and jitted."""
