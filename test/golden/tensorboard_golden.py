# Writes tensorboard-events.json with TensorBoard's own writer: python tensorboard_golden.py
# Invariant: a function of the numbers below; times are fixed, so a second run writes the same bytes.
import io
import json
import pathlib

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

# Not a picture; the writer does not look inside.
PNG = bytes(range(40))
WALL_TIME = 1700000000.25


def events():
    yield Event(wall_time=WALL_TIME, file_version='brain.Event:2')
    scalar = Summary.Value(tag='step/loss', simple_value=1.25)
    rate = Summary.Value(tag='step/learning rate', simple_value=0.01)
    yield Event(wall_time=WALL_TIME, step=300, summary=Summary(value=[scalar, rate]))
    image = Summary.Image(height=219, width=579, colorspace=3, encoded_image_string=PNG)
    value = Summary.Value(tag='conv1/kernels', image=image)
    yield Event(wall_time=WALL_TIME, step=1234567, summary=Summary(value=[value]))


def main():
    stream = io.BytesIO()
    writer = RecordWriter(stream)
    for event in events():
        writer.write(event.SerializeToString())
    target = pathlib.Path(__file__).parent / 'tensorboard-events.json'
    target.write_text(json.dumps({'wallTime': WALL_TIME, 'png': PNG.hex(), 'file': stream.getvalue().hex()}, indent=2) + '\n')


main()
