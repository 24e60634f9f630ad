"""One ``clipdefense`` command as a process of its own, with its output in files; started by the fixture ``start``."""

import os
import resource
import signal
import sys

order = globals()["order"]
os.chdir(order["home"])
os.environ.update(order["environment"])
sys.path.insert(0, order["home"])
for descriptor, name in ((1, "out"), (2, "err")):
    sink = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(sink, descriptor)
    os.close(sink)
signal.signal(signal.SIGINT, signal.default_int_handler)
if order["file_size"] is not None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_size"], order["file_size"]))

from benchmark.cli import main  # noqa: E402

sys.argv = ["clipdefense", *order["arguments"]]
main()
