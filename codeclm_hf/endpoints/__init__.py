"""All LLM traffic. The only room with async and HTTP code; it knows nothing of CodecLM."""
