"""Small networks that this project trains and ships: a detector and a scorer for rendered CLEVR pictures.

One idea per file: `concepts` (what the scorer knows), `canvas` (pictures as tensors, crops),
`detector_net`, `scorer_net`, `data` (folders in CLEVR's format), `augment` (mirroring, new occlusions),
`loop` (the training loop), `train_detector`, `train_scorer`, `calibration`, `measure` (figures of merit),
`store` (safetensors), `train` (``run.py``'s task).
"""
