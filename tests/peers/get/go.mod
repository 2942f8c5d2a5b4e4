module get

go 1.24
