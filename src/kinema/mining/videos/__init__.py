"""Candidate videos for names of actions: a site's search through yt-dlp, and the lists that it writes."""

from kinema.mining.videos.lists import VideoLists
from kinema.mining.videos.mine import FoundVideos, mine_videos
from kinema.mining.videos.search import LICENCES, VideoRules

__all__ = ["LICENCES", "FoundVideos", "VideoLists", "VideoRules", "mine_videos"]
