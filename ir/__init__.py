"""The intermediate representation: types, ops, builder, verifier, text, evaluator, passes. Imports no other part."""
