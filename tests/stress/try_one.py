import sys, importlib
sys.dont_write_bytecode = True
from lab import *
part = importlib.import_module(sys.argv[1])
report = Report()
with Scratch("scale") as s:
    part.main(s, report, [a for a in sys.argv[2:] if a.isdigit()], "--short" in sys.argv)
    print("left:", s.mounted(), s.servers())
