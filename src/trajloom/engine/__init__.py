"""MimicGen, arithmetic only: cut sources into segments, choose one, carry it to where its object is now, follow it.

Written from Mandlekar et al., MimicGen, CoRL 2023 (arXiv:2310.17596), and from published behaviour. Knows a simulator
only as `trajloom.task.Scene`.
"""
