"""Small networks that this project trains and ships: a detector and a scorer for rendered CLEVR pictures.

One idea per file: `concepts` (what the scorer knows), `canvas` (pictures as tensors, crops),
`detector_net`, `scorer_net`, `store` (safetensors). They are trained in `neptune.learn.train`.
"""
