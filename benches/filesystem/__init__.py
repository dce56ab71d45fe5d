"""The benchmark of pxfs beside squashfs and EROFS; `scripts/bench` starts it.

    __main__     the order of things, and how it ends
    options      the command line
    program      the pxfs that is measured: a copy of its own
    corpora      the trees that images are made of
    images       makes the images, and measures that
    contestants  mounts and unmounts them
    workloads    what is done with a mount, and how one run of it goes
    unpack       copies an image's files out without a mount
    measure      one command: seconds, processor time, memory; cold caches
    results      collects the runs, refuses different results, computes ratios
    goals        what is to be reached
    machine      what it all ran on
    report       docs/benchmarks.md
    tables       the tables in it
    plot         the pictures in it
    test_report  what can be tested without measuring

Nothing beside Python's own library is used: no pip, and no package to wait for.
"""
