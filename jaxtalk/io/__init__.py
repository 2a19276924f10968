"""Files: video, images, meshes, weights, provenance."""
