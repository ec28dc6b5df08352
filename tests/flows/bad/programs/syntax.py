def start(:
