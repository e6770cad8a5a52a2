"""Training through programs: the only label is the answer to a question.

A program's soft answer (:func:`neptune.engine.session.soft_answers.soft_answers`) is differentiable in every score that
it depends on, so the loss of an answer trains the network that gives the scores, as NePTune does (ICLR 2026,
"fine-tuning"). One idea a file: `targets` (what an answer should be, and its loss), `training_examples` (questions by
picture and difficulty), `embedded` (the shipped scorer's network as a scorer that can be trained), `answers`
(``task: train-answers``), `drawings` (``task: train-drawings``); `cells` (a vision-language model as such a scorer, in
two passes), `lora`, `data` (questions of any dataset), `loop`, `vlm` (``task: finetune``), `curve`.
"""
