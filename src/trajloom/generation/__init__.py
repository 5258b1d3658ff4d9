"""A run of attempts: what identifies it, what one unit of it does, and how far it has come.

A unit is a fixed range of attempts and becomes one part of the dataset. Attempt k is a function of the recipe and k
alone, so units may run anywhere, in any order, any number of times.
"""
