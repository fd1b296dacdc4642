"""The command line. One module a group of commands; what is heavy is imported where a command runs."""
