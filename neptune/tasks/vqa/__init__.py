"""Questions with answers in free words or among options: GQA as it is often read, OK-VQA, NExT-QA."""
