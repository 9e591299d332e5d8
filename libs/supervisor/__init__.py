"""Run the services of the laptop profile in the foreground (`make run`)."""
