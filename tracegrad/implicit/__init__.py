"""Solutions of equations as functions of their parameters, differentiated by the implicit function theorem."""
