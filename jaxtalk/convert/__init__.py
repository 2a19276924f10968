"""Published checkpoints and face models into ours."""
