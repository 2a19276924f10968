"""Drawing: the mesh rasteriser, shading, warps and blending; later the volume renderer."""
