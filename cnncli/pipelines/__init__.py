"""The work of commands on one file.

A pipeline is a value that can be called, given to threads, and sent to other processes.
"""
