"""Training: state, step, loop, checkpoint, meshes and shardings."""
