"""PyTorch as a peer: see job.ts. Options: channelsLast, compile, fused (optimiser), lrn (stock | band), bf16.

Invariant: the network is the same whatever the options; `band` is the same function as the stock LRN.
"""
import json
import os
import resource
import sys
import time

JOB = json.loads(sys.argv[1])
os.environ["OMP_NUM_THREADS"] = str(JOB["threads"])

import torch  # noqa: E402  (threads are set first)
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

torch.set_num_threads(JOB["threads"])
OPTIONS = JOB["options"]


class BandLRN(nn.Module):
    """LRN's window as a 1x1 convolution with a band matrix: much faster on a CPU than nn.LocalResponseNorm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        distance = torch.arange(channels)[:, None] - torch.arange(channels)[None, :]
        self.register_buffer("band", ((distance.abs() <= 2).float() * 2e-5)[:, :, None, None])
        self.register_buffer("k", torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        root = torch.rsqrt(F.conv2d(x * x, self.band, self.k))
        return x * root * torch.sqrt(root)  # s^-.75


def lrn(channels: int) -> nn.Module:
    if OPTIONS.get("lrn") == "band":
        return BandLRN(channels)
    return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)


def network() -> nn.Sequential:
    def conv(n: int, *sizes: int, **options: int) -> list[tuple[str, nn.Module]]:
        return [(f"conv{n}", nn.Conv2d(*sizes, **options)), (f"relu{n}", nn.ReLU(inplace=True))]

    def pool(n: int) -> tuple[str, nn.Module]:
        return f"pool{n}", nn.MaxPool2d(3, 2)

    def hidden(n: int, inputs: int) -> list[tuple[str, nn.Module]]:
        layers = [nn.Linear(inputs, 4096), nn.ReLU(inplace=True), nn.Dropout(0.5)]
        return list(zip((f"fc{n}", f"relu{n}", f"drop{n}"), layers))

    layers = [
        *conv(1, 3, 96, 11, stride=4), ("lrn1", lrn(96)), pool(1),
        *conv(2, 96, 256, 5, padding=2, groups=2), ("lrn2", lrn(256)), pool(2),
        *conv(3, 256, 384, 3, padding=1),
        *conv(4, 384, 384, 3, padding=1, groups=2),
        *conv(5, 384, 256, 3, padding=1, groups=2), pool(5),
        ("flatten", nn.Flatten()), *hidden(6, 9216), *hidden(7, 4096), ("fc8", nn.Linear(4096, 1000)),
    ]
    model = nn.Sequential()
    for name, layer in layers:
        model.add_module(name, layer)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.01)
    return model


def load_reference(model: nn.Module, folder: str, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    values = torch.from_file(
        os.path.join(folder, "weights.f32"), size=sum(parameter.numel() for parameter in model.parameters())
    )
    named, offset = dict(model.named_parameters()), 0
    with torch.no_grad():
        for entry in manifest["tensors"]:
            parameter = named[entry["name"]]
            parameter.copy_(values[offset : offset + parameter.numel()].view(entry["shape"]))
            offset += parameter.numel()
    x = torch.from_file(os.path.join(folder, "x.f32"), size=batch * 3 * 227 * 227)
    return x.view(batch, 3, 227, 227).clone(), torch.tensor(manifest["labels"][:batch])


def main() -> dict:
    model, task = network(), JOB["task"]
    bf16 = bool(OPTIONS.get("bf16"))
    layout = torch.channels_last if OPTIONS.get("channelsLast") else torch.contiguous_format
    batch = JOB["batchSize"]
    x, labels = torch.randn(batch, 3, 227, 227), torch.arange(batch) * 37 % 1000
    if task == "check":
        x, labels = load_reference(model, JOB["reference"], batch)
    if task == "train":
        model.train()
    else:
        model.eval()
    model, x = model.to(memory_format=layout), x.to(memory_format=layout)
    if bf16 and task == "infer":  # faster than autocast, which converts the weights in every call
        model, x = model.bfloat16(), x.bfloat16()
    compute = torch.compile(model) if OPTIONS.get("compile") else model
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16 and task != "infer")
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, fused=bool(OPTIONS.get("fused")) or None
    )

    def loss_of() -> torch.Tensor:
        with autocast:
            logits = compute(x)
        return F.cross_entropy(logits.float(), labels)

    def train() -> float:
        loss = loss_of()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def infer() -> None:
        with torch.inference_mode():
            compute(x)

    def check() -> float:
        with torch.inference_mode():
            return loss_of().item()

    call = {"train": train, "infer": infer, "check": check}[task]
    call()
    answer: dict = {"firstEndedAt": time.time() * 1000, "versions": {"PyTorch": torch.__version__}}
    if task == "check":
        answer["loss"] = check()
    answer["timesMs"] = measure(call)
    answer["peakResidentMiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return answer


def measure(call) -> list[float]:
    for _ in range(JOB["warmUp"]):
        call()
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < JOB["repetitions"]:
        if len(times) >= 3 and (time.perf_counter() - began) * 1000 > JOB["budgetMs"]:
            break
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return times


try:
    print(json.dumps(main()))
except Exception as error:  # a peer that cannot do it says so
    print(json.dumps({"cannot": f"{type(error).__name__}: {error}"}))
