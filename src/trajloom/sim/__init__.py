"""The only MuJoCo and robosuite code: scenes, tasks, controllers, annotation and scripted policies.

Nothing heavy is loaded by importing this package; `trajloom.sim.scene.make_scene` loads robosuite.
"""
