"""Asks the default model a question and prints its answer."""

from pxi import *

QUESTION = "Explain what a file system is, in one sentence."

answer = bytearray(512)

print("Question:", QUESTION)
got = llm(QUESTION, answer)
if err() != 0:
    print("no answer, error", err())
    exit(1)
write("Answer: ")
write(view(answer, 0, got))
write("\n")
