"""Image classifiers: folders of pictures in; a recognizer of single pictures, with which videos are mined, out."""

from kinema.mining.classifier.alike import PictureHash, near_pairs, picture_hash
from kinema.mining.classifier.negatives import NONE, choose_negatives
from kinema.mining.classifier.pictures import FoundPicture, Pictures, find_pictures, prepare_pictures
from kinema.mining.classifier.train import train_classifier

__all__ = [
    "NONE",
    "FoundPicture",
    "PictureHash",
    "Pictures",
    "choose_negatives",
    "find_pictures",
    "near_pairs",
    "picture_hash",
    "prepare_pictures",
    "train_classifier",
]
