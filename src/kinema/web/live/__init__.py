"""The live page: recognizers over cameras, streams, uploaded videos and browsers' cameras, an engine process each."""
