"""What is wrong with an installation, each with the mend. ``checks`` lists what is looked at; ``results`` looks at it."""
