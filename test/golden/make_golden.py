# Writes the golden files of this folder: python make_golden.py [ops alexnet-step alexnet-training cifar-nets]
# Invariant: everything is a function of the seeds in these files; a second run writes the same bytes.
import pathlib
import sys

import torch

import nets_golden
import ops_golden
from generators import write_json

BUILDERS = {
    'ops': ops_golden.build,
    'alexnet-step': nets_golden.build_alexnet_step,
    'alexnet-training': nets_golden.build_alexnet_training,
    'cifar-nets': nets_golden.build_cifar_nets,
}


def main(names):
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(2)
    for name in names or BUILDERS:
        write_json(pathlib.Path(__file__).parent / f'{name}.json', BUILDERS[name]())
        print(f'{name}.json')


if __name__ == '__main__':
    main(sys.argv[1:])
