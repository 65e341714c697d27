"""attentive: a learned query that attends to the tokens of a clip, the probe of the V-JEPA papers, also as a head.

V-JEPA (Bardes et al., "Revisiting Feature Prediction for Learning Visual Representations from Video", 2024, arXiv
2404.08471) pools frozen features with one block of cross-attention; V-JEPA 2 (Assran et al., 2025, arXiv 2506.09985) puts
three blocks of self-attention before it. Image networks are probed with the tokens of all frames, each marked with its
time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.errors import UsageError
from kinema.models.heads import SequenceHead, register_head


class AttentivePooler(nn.Module):
    """Tokens `(B, N, D)` to one vector `(B, D)`.

    ```
    tokens (B, N, D) ─ [norm, self-attention, +, norm, MLP 4D, +] x (depth - 1) ─┐ keys, values
                                          learned query (1, D) ─ cross-attention ┴ + ─ norm, MLP 4D, + ─▶ (B, D)
    ```

    About 12·D² numbers a block. The names of the parts are those of transformers' `VJEPA2AttentivePooler`, whose tensors load.
    """

    def __init__(self, dim: int, heads: int, depth: int = 1) -> None:
        super().__init__()
        if dim % heads:
            raise UsageError(
                f"attention over {dim} numbers cannot have {heads} heads: give a divisor of {dim}"
            )
        if depth < 1:
            raise UsageError(f"attentive pooling with {depth} blocks: give at least 1")
        self.query_tokens = nn.Parameter(torch.zeros(1, 1, dim))
        self.cross_attention_layer = _Block(dim, heads, cross=True)
        self.self_attention_layers = nn.ModuleList(_Block(dim, heads) for _ in range(depth - 1))
        nn.init.trunc_normal_(self.query_tokens, std=0.02)
        # Deeper blocks add less at first, as in the original.
        for number, block in enumerate([*self.self_attention_layers, self.cross_attention_layer], 1):
            nn.init.trunc_normal_(block.mlp.fc2.weight, std=0.02 / number**0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return `(B, D)`."""
        for block in self.self_attention_layers:
            tokens = block(tokens)
        query = self.query_tokens.expand(len(tokens), -1, -1)
        pooled: Tensor = self.cross_attention_layer(query, tokens)
        return pooled.squeeze(1)


class _Block(nn.Module):
    """Attention and a perceptron, each added to what comes in; `cross`: of a query to tokens, otherwise among tokens."""

    def __init__(self, dim: int, heads: int, cross: bool = False) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(dim, eps=1e-6)
        if cross:
            self.cross_attn = _Attention(dim, heads, project=False)
        else:
            self.self_attn = _Attention(dim, heads, project=True)
        self.layer_norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = _Perceptron(dim)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, inputs: Tensor, tokens: Tensor | None = None) -> Tensor:
        if tokens is None:
            normed = self.layer_norm1(inputs)
            inputs = inputs + self.self_attn(normed, normed)
        else:
            inputs = inputs + self.cross_attn(inputs, self.layer_norm1(tokens))
        result: Tensor = inputs + self.mlp(self.layer_norm2(inputs))
        return result


class _Attention(nn.Module):
    def __init__(self, dim: int, heads: int, project: bool) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(dim, dim)
        # A bias of the keys adds the same to every score of a query, which softmax takes away again.
        self.k_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim) if project else nn.Identity()

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.q_proj(queries), self.k_proj(tokens), self.v_proj(tokens))
        )
        attended = F.scaled_dot_product_attention(q, k, v)
        result: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return result


class _Perceptron(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, inputs: Tensor) -> Tensor:
        result: Tensor = self.fc2(F.gelu(self.fc1(inputs)))
        return result


class AttentiveHead(SequenceHead):
    """Every sample is one token or several, marked with its time; a learned query attends to all of them.

    ```
    (B, T, D) ─ standardised, cut into S tokens of C ─ linear ─▶ (B, T, S, hidden) + sin-cos of the time ─▶
       (B, T·S, hidden) ─ attentive pooler, `depth` blocks ─▶ (B, hidden) ─ linear ─▶ (B, K)
    ```

    `parts` are the shapes `(C, G, G)` of the embedding's parts, as `FrameBackbone.parts` gives them: each cell is a token.
    None takes a sample for one token.
    """

    time: Tensor

    def __init__(
        self,
        dim: int,
        num_classes: int,
        frames: int,
        hidden: int = 256,
        heads: int = 4,
        depth: int = 1,
        dropout: float = 0.3,
        parts: Sequence[tuple[int, int, int]] | None = None,
    ) -> None:
        super().__init__(dim, num_classes, frames)
        self.parts = [(dim, 1, 1)] if parts is None else list(parts)
        widths = {channels for channels, _, _ in self.parts}
        if len(widths) > 1:
            raise UsageError(
                f"head 'attentive' needs tokens of one width, not {sorted(widths)}: choose one map"
            )
        if hidden % 2:
            raise UsageError(f"head 'attentive', setting hidden={hidden}: give an even number")
        (width,) = widths
        self.project = nn.Sequential(
            nn.Dropout(dropout), nn.Identity() if width == hidden else nn.Linear(width, hidden)
        )
        self.pooler = AttentivePooler(hidden, heads, depth)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, num_classes))
        self.register_buffer("time", sin_cos(frames, hidden), persistent=False)

    def decide(self, described: Tensor) -> Tensor:
        features = self.standardise(described)
        sizes = [channels * rows * columns for channels, rows, columns in self.parts]
        tokens = torch.cat(
            [
                part.unflatten(2, (channels, -1)).transpose(2, 3)
                for part, (channels, _, _) in zip(features.split(sizes, dim=2), self.parts, strict=True)
            ],
            dim=2,
        )
        placed = self.project(tokens) + self.time[:, None]
        logits: Tensor = self.classifier(self.pooler(placed.flatten(1, 2)))
        return logits


def sin_cos(frames: int, dim: int) -> Tensor:
    """Return `(frames, dim)`: the sines, then the cosines, of each time at falling rates (Vaswani et al., 2017)."""
    rates = 10000.0 ** -(torch.arange(dim // 2, dtype=torch.float64) / (dim // 2))
    angles = torch.arange(frames, dtype=torch.float64)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


register_head("attentive", AttentiveHead, parts=None)
