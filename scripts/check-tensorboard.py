# Reads a run's event files with TensorBoard's own reader, and says what it finds in them.
#   python3 -m venv .cache/tensorboard && .cache/tensorboard/bin/pip install tensorboard
#   .cache/tensorboard/bin/python scripts/check-tensorboard.py run/tensorboard
import struct
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

for folder in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    assert tags["scalars"], f"{folder}: no scalars"
    for tag in tags["scalars"]:
        values = events.Scalars(tag)
        last = values[-1]
        print(f"{folder.name}  scalar {tag}: {len(values)} values, last {last.value:.6g} at step {last.step}")
    for tag in tags["images"]:
        images = events.Images(tag)
        last = images[-1]
        png = last.encoded_image_string
        assert png[:8] == b"\x89PNG\r\n\x1a\n", f"{tag}: not a PNG"
        assert struct.unpack(">II", png[16:24]) == (last.width, last.height), f"{tag}: not of the size it says"
        print(f"{folder.name}  image {tag}: {len(images)} pictures, last {last.width}x{last.height} at step {last.step}")
