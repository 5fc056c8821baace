"""Where tasks and code come from: readers of task files, sources of versions, patches. Pure stores."""
