"""What the compiled loop knows of a robot's parts, as arrays of records: settings, and what a step changes."""

import numpy as np

MAX_JOINTS = 8
"""Joints of the longest arm."""
MAX_FINGERS = 4
"""Actuators of the largest gripper."""
HISTORY = 5
"""Velocity errors that JOINT_VELOCITY averages."""

OSC, JOINT_POSITION, JOINT_VELOCITY = range(3)
FIXED, VARIABLE, VARIABLE_KP = range(3)

_joints = ("f8", (MAX_JOINTS,))
_indices = ("i8", (MAX_JOINTS,))

ARM = np.dtype(
    [
        ("controller", "i8"),
        ("impedance", "i8"),
        ("has_orientation", "?"),  # OSC_POSE, not OSC_POSITION
        ("is_in_world", "?"),  # actions in the world's frame, not in the base's
        ("is_absolute", "?"),
        ("is_uncoupled", "?"),
        ("has_limits", "?"),
        ("compensates", "?"),  # for gravity, by those whose controller leaves a choice
        ("site", "i8"),
        ("base", "i8"),  # the site that is the origin of the base's frame
        ("base_moves", "?"),
        ("action_start", "i8"),
        ("joints", "i8"),  # how many; what follows is filled so far
        ("qpos", *_indices),
        ("qvel", *_indices),
        ("motors", *_indices),
        ("motor_low", *_joints),
        ("motor_high", *_joints),
        ("input_min", *_joints),
        ("input_max", *_joints),
        ("scale", *_joints),
        ("output_middle", *_joints),
        ("input_middle", *_joints),
        ("kp_min", *_joints),
        ("kp_max", *_joints),
        ("damping_min", *_joints),
        ("damping_max", *_joints),
        ("limit_low", *_joints),  # of joint positions or velocities that are asked for
        ("limit_high", *_joints),
        ("ki", *_joints),
    ]
)
"""Settings of an arm's controller; SI units."""

ARM_MEMORY = np.dtype(
    [
        ("position", "f8", (3,)),  # OSC's goal, in the base's frame or in the world's
        ("rotation", "f8", (3, 3)),
        ("rest", *_joints),  # where OSC's null space is drawn to: the joints at reset
        ("goal", *_joints),  # joint positions or velocities
        ("kp", *_joints),
        ("kd", *_joints),
        ("last_error", *_joints),
        ("summed_error", *_joints),
        ("errors", "f8", (HISTORY, MAX_JOINTS)),  # a ring
        ("pushed", "i8"),  # into the ring, ever
        ("is_saturated", "?"),
    ]
)
"""What an arm's controller remembers."""

_fingers = ("f8", (MAX_FINGERS,))

GRIPPER = np.dtype(
    [
        ("action_start", "i8"),
        ("fingers", "i8"),  # actuators
        ("actuators", "i8", (MAX_FINGERS,)),
        ("speed", *_fingers),  # how far, and which way, a closing command moves each actuator's command
        ("input_min", *_fingers),
        ("input_max", *_fingers),
        ("scale", *_fingers),
        ("output_middle", *_fingers),
        ("input_middle", *_fingers),
        ("ctrl_low", *_fingers),
        ("ctrl_high", *_fingers),
        ("is_scaled", "?"),
    ]
)
"""Settings of a parallel gripper whose one-number command moves by a fixed amount a control step."""

GRIPPER_MEMORY = np.dtype([("command", *_fingers), ("ctrl", *_fingers)])
"""Where a gripper's command has got to, and the actuators' values that it stands for."""
