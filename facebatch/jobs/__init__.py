"""The sequences of stages that a command is: run, evaluate, enrol, train, demo.

Only this room and the command line import `facebatch.pipelines`.
"""
